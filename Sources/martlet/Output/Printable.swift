/// Text from outside (a device's message, a registry's explanation), made safe to print on a terminal.
enum Printable {
    /// The text with a space for each control character: those move the cursor, change colours, or hide what follows.
    static func text(_ text: String, keepingLines: Bool = false) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { scalar in
                    if scalar == "\n", keepingLines { return scalar }
                    return scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value) ? " " : scalar
                }))
    }

    /// `1 device`, `3 devices`.
    static func count(_ number: Int, _ noun: String) -> String { number == 1 ? "1 \(noun)" : "\(number) \(noun)s" }
}
