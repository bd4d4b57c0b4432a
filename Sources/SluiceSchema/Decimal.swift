import SluiceHTTP

/// A number as JSON writes it, exactly: `0.digits` times ten to the power of `exponent`. Every value has one form: digits begin and end with another digit
/// than 0, and zero has none.
///
/// Binary numbers would make 0.3 no multiple of 0.1, and 9007199254740993 equal to 9007199254740992.
struct Decimal: BitwiseCopyable {
    var isNegative: Bool
    /// `0` to `9`, in ASCII.
    var digits: ByteView
    var exponent: Int

    static var zero: Decimal { Decimal(isNegative: false, digits: .empty, exponent: 0) }

    init(isNegative: Bool, digits: ByteView, exponent: Int) {
        self.isNegative = isNegative
        self.digits = digits
        self.exponent = exponent
    }

    /// - Parameters:
    ///   - text: a number of JSON that a double can hold.
    ///   - room: for its digits.
    @inline(never)
    init(_ text: ByteView, into room: inout JSONMemory.Room<UInt8>) {
        let memory = room.reserve(text.count)
        var index = 0
        let isNegative = text[0] == UInt8(ascii: "-")
        if isNegative { index = 1 }
        var count = 0
        /// Places before the point, or zeros behind it that stand before the first digit, as a negative number.
        var whole = 0
        var isBehindPoint = false
        while index < text.count {
            let byte = text.base[index]
            if byte == UInt8(ascii: ".") {
                isBehindPoint = true
            } else if byte | 0x20 == UInt8(ascii: "e") {
                break
            } else if byte == UInt8(ascii: "0"), count == 0 {
                if isBehindPoint { whole -= 1 }
            } else {
                memory[count] = byte
                count += 1
                if !isBehindPoint { whole += 1 }
            }
            index += 1
        }
        while count > 0, memory[count - 1] == UInt8(ascii: "0") { count -= 1 }
        guard count > 0 else {
            self = .zero
            return
        }
        self.init(
            isNegative: isNegative, digits: ByteView(base: UnsafePointer(memory), count: count),
            exponent: whole + (index < text.count ? Self.exponent(text[(index + 1)...]) : 0))
    }

    private static func exponent(_ text: ByteView) -> Int {
        var value = 0
        for index in 0..<text.count where text[index] >= UInt8(ascii: "0") { value = value * 10 + Int(text[index] - UInt8(ascii: "0")) }
        return !text.isEmpty && text[0] == UInt8(ascii: "-") ? -value : value
    }

    var isZero: Bool { digits.isEmpty }

    /// -1, 0 or 1: whether it is less than, equal to or greater than the other.
    func compared(to other: Decimal) -> Int {
        if isZero || other.isZero {
            if isZero, other.isZero { return 0 }
            return isZero ? (other.isNegative ? 1 : -1) : (isNegative ? -1 : 1)
        }
        guard isNegative == other.isNegative else { return isNegative ? -1 : 1 }
        let size = sizeCompared(to: other)
        return isNegative ? -size : size
    }

    private func sizeCompared(to other: Decimal) -> Int {
        guard exponent == other.exponent else { return exponent < other.exponent ? -1 : 1 }
        let shared = min(digits.count, other.digits.count)
        var index = 0
        while index < shared {
            if digits.base[index] != other.digits.base[index] { return digits.base[index] < other.digits.base[index] ? -1 : 1 }
            index &+= 1
        }
        return digits.count == other.digits.count ? 0 : digits.count < other.digits.count ? -1 : 1
    }

    /// The number whose digits `divisor` has, times ten to the power of `divisorExponent`, without a remainder?
    func isMultiple(of divisor: UInt64, exponent divisorExponent: Int) -> Bool {
        guard !isZero else { return true }
        let power = exponent - digits.count - divisorExponent
        // The last digit is not 0, so that the number has no such factor of ten.
        guard power >= 0 else { return false }
        var remainder: UInt64 = 0
        var index = 0
        while index < digits.count {
            remainder = (remainder &* 10 &+ UInt64(digits.base[index] &- UInt8(ascii: "0"))) % divisor
            index &+= 1
        }
        return Self.product(remainder, Self.power(of: 10, UInt64(power), modulo: divisor), modulo: divisor) == 0
    }

    /// Most digits of a divisor: ten times it has room in 64 bits.
    static let divisorDigitsMax = 18

    private static func product(_ left: UInt64, _ right: UInt64, modulo divisor: UInt64) -> UInt64 {
        let product = (left % divisor).multipliedFullWidth(by: right % divisor)
        return divisor.dividingFullWidth(product).remainder
    }

    private static func power(of base: UInt64, _ exponent: UInt64, modulo divisor: UInt64) -> UInt64 {
        var result = 1 % divisor
        var square = base % divisor
        var rest = exponent
        while rest > 0 {
            if rest & 1 == 1 { result = product(result, square, modulo: divisor) }
            square = product(square, square, modulo: divisor)
            rest >>= 1
        }
        return result
    }
}
