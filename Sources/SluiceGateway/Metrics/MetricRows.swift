/// Which row is whose, of one kind of counters. Row 0 is for what has no label of its own, and stays.
struct MetricRows<Label: Hashable & Sendable>: Sendable {
    /// By row; nil where it is nobody's.
    private(set) var labels: [Label?]
    private var numbers: [Label: Int]
    /// How often each row is held.
    private var holds: [Int] = [1]
    /// Nobody's, and not zero yet.
    private var released: [Int] = []
    /// Nobody's, and zero.
    private var free: [Int] = []

    init(_ first: Label) {
        labels = [first]
        numbers = [first: 0]
    }

    /// The label's row, held once more.
    mutating func take(_ label: Label) -> Int {
        if let known = numbers[label] {
            holds[known] += 1
            return known
        }
        let number = free.popLast() ?? labels.count
        if number == labels.count {
            labels.append(label)
            holds.append(1)
        } else {
            labels[number] = label
            holds[number] = 1
        }
        numbers[label] = number
        return number
    }

    /// Gives up one hold of each.
    mutating func release(_ rows: [Int]) {
        for row in rows {
            holds[row] -= 1
            guard holds[row] == 0, let label = labels[row] else { continue }
            labels[row] = nil
            numbers[label] = nil
            released.append(row)
        }
    }

    mutating func takeReleased() -> [Int] {
        defer { released = [] }
        return released
    }

    mutating func reuse(_ rows: [Int]) { free += rows }
}
