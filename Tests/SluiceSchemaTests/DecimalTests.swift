import SluiceHTTP
import Testing

@testable import SluiceSchema

@Suite("Decimal numbers")
struct DecimalTests {
    private func compare(_ left: String, _ right: String) -> Int {
        var (one, other) = (JSONMemory.Room<UInt8>(), JSONMemory.Room<UInt8>())
        defer {
            one.release()
            other.release()
        }
        return Array(left.utf8).withView { left in
            Array(right.utf8).withView { right in Decimal(left, into: &one).compared(to: Decimal(right, into: &other)) }
        }
    }

    @Test("numbers in order", arguments: [
        ["-1e9", "-1000", "-10.5", "-10", "-0.001", "0", "1e-999999999", "0.1", "0.10000000000000000001", "0.5", "1", "1.000000000000000000001", "9", "10",
         "9007199254740992", "9007199254740993", "1e300", "1e999999999"],
    ])
    func order(numbers: [String]) {
        for left in numbers.indices {
            for right in numbers.indices {
                #expect(compare(numbers[left], numbers[right]) == (left < right ? -1 : left > right ? 1 : 0), "\(numbers[left]) \(numbers[right])")
            }
        }
    }

    @Test("one number, written differently", arguments: [
        ["0", "-0", "0.0", "0e5", "0.000e-7"], ["1", "1.0", "10e-1", "0.1e1", "0.01E+2", "100e-2"], ["-12.5", "-125e-1", "-0.125e2", "-12.500"],
    ])
    func equal(numbers: [String]) {
        for left in numbers { for right in numbers { #expect(compare(left, right) == 0, "\(left) \(right)") } }
    }

    @Test("multiples", arguments: [
        ("0", "7", true), ("7", "2", false), ("8", "2", true), ("-8", "2", true), ("4.5", "1.5", true), ("35", "1.5", false), ("0.3", "0.1", true),
        ("0.0075", "0.0001", true), ("0.00751", "0.0001", false), ("1e308", "0.123456789", false), ("12391239123", "1e-8", true), ("1e300", "3", false),
        ("3e300", "3", true), ("100", "1e1", true), ("5", "1e1", false), ("1.5", "1", false), ("999999999999999999999999", "3", true),
        ("1e308", "999999999999999999", false), ("1e308", "2e-9", true),
    ])
    func multiples(number: String, divisor: String, isMultiple: Bool) throws {
        #expect(try outcome("{\"multipleOf\":\(divisor)}", number) == (isMultiple ? "right" : "/: not a multiple of what it must be"))
    }
}
