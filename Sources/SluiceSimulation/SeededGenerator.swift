/// SplitMix64: the same numbers for the same seed, everywhere.
package struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 0x1234_5678_9ABC_DEF1 }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }

    /// 0 to `bound` - 1.
    package mutating func below(_ bound: Int) -> Int { Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(bound)).high) }

    /// Both ends included.
    package mutating func between(_ low: Int, _ high: Int) -> Int { low + below(high - low + 1) }

    /// True in `part` of `whole` cases.
    package mutating func chance(_ part: Int, in whole: Int) -> Bool { below(whole) < part }

    package mutating func pick<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }

    /// True in `percent` of 100 cases.
    package mutating func chance(_ percent: Int) -> Bool { below(100) < percent }

    /// An element by weights.
    package mutating func pick<Element>(_ elements: [(Int, Element)]) -> Element {
        var left = below(elements.reduce(0) { $0 + $1.0 })
        for (weight, element) in elements {
            if left < weight { return element }
            left -= weight
        }
        return elements[0].1
    }

    /// Some of the elements, in their order.
    package mutating func some<Element>(_ elements: [Element], percent: Int) -> [Element] { elements.filter { _ in chance(percent) } }

    /// A number from 1 to 10^`digits`, small and large ones alike.
    mutating func magnitude(digits: Int) -> Int {
        var top = 10
        for _ in 0..<below(digits) { top *= 10 }
        return between(max(1, top / 10), top)
    }
}
