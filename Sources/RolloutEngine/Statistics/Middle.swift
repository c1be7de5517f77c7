/// Middles of values.
package enum Middle {
    /// The middle value, or the mean of the two in the middle; 0 for none.
    package static func median(_ values: [Double]) -> Double { middle(sorted: values.sorted()) }

    static func middle(sorted values: [Double]) -> Double {
        guard !values.isEmpty else { return 0 }
        let half = values.count / 2
        return values.count % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2
    }

    static func mean(_ values: [Double]) -> Double { values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count) }
}
