/// Ranks of values, the mean rank for equal ones, doubled so that they are whole numbers.
struct Ranks {
    /// In the order of the values.
    let doubled: [Int]
    /// Sum of t³ − t over groups of t equal values.
    let ties: Double

    init(_ values: [Double]) {
        let order = values.indices.sorted { values[$0] < values[$1] }
        var doubled = Array(repeating: 0, count: values.count)
        var ties = 0.0
        var start = 0
        while start < order.count {
            var end = start + 1
            while end < order.count, values[order[end]] == values[order[start]] { end += 1 }
            for place in order[start..<end] { doubled[place] = start + 1 + end }
            let count = Double(end - start)
            ties += count * count * count - count
            start = end
        }
        self.doubled = doubled
        self.ties = ties
    }
}

/// Probabilities of whole-numbered sums, from 0.
struct SumDistribution {
    private(set) var probabilities: [Double]

    /// Of the sum of `size` values drawn from `values`, each draw being as likely.
    init(choosing size: Int, of values: [Int]) {
        let most = values.sorted().suffix(size).reduce(0, +)
        var ways = Array(repeating: Array(repeating: 0.0, count: most + 1), count: size + 1)
        ways[0][0] = 1
        for (seen, value) in values.enumerated() {
            for taken in stride(from: min(size, seen + 1), through: 1, by: -1) where value <= most {
                for sum in stride(from: most, through: value, by: -1) {
                    ways[taken][sum] += ways[taken - 1][sum - value]
                }
            }
        }
        let all = ways[size].reduce(0, +)
        probabilities = ways[size].map { $0 / all }
    }

    /// Of the sum of those of `values` that a fair coin picks.
    init(tossing values: [Int]) {
        probabilities = [1]
        for value in values {
            var next = Array(repeating: 0.0, count: probabilities.count + value)
            for (sum, probability) in probabilities.enumerated() {
                next[sum] += probability / 2
                next[sum + value] += probability / 2
            }
            probabilities = next
        }
    }

    /// The distribution of the sum with another, independent one.
    mutating func add(_ other: SumDistribution) {
        var next = Array(repeating: 0.0, count: probabilities.count + other.probabilities.count - 1)
        for (sum, probability) in probabilities.enumerated() where probability > 0 {
            for (more, factor) in other.probabilities.enumerated() { next[sum + more] += probability * factor }
        }
        probabilities = next
    }

    func atLeast(_ sum: Int) -> Double { min(1, probabilities.dropFirst(max(0, sum)).reduce(0, +)) }
}
