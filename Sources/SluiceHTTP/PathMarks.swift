/// What a normalised path holds that another reader may take in another way: see `PathReading`. A mark may be left of a segment that `..` has
/// removed; none is missing.
///
/// No `OptionSet`: its operations are generic, and calls between modules.
@frozen
public struct PathMarks: BitwiseCopyable, Equatable, Sendable {
    @usableFromInline let bits: UInt8

    @inlinable
    init(bits: UInt8) { self.bits = bits }

    @inlinable public static var none: PathMarks { PathMarks(bits: 0) }
    /// A slash as `%2F`.
    @inlinable public static var encodedSlash: PathMarks { PathMarks(bits: 1) }
    /// A semicolon, as it is or as `%3B`.
    @inlinable public static var parameters: PathMarks { PathMarks(bits: 2) }
    /// Two slashes in a row.
    @inlinable public static var emptySegment: PathMarks { PathMarks(bits: 4) }
    /// A dot segment, with or without parameters, for who takes `%2F` for a slash: `..%2F`, `%2F..`, `a%2F.;x`.
    @inlinable public static var hiddenDots: PathMarks { PathMarks(bits: 8) }

    @inlinable public var isEmpty: Bool { bits == 0 }

    /// Whether both have a mark in common.
    @inlinable
    public func intersects(_ other: PathMarks) -> Bool { bits & other.bits != 0 }

    @inlinable
    public mutating func insert(_ other: PathMarks) { self = PathMarks(bits: bits | other.bits) }
}
