/// Standard output, unbuffered: for lines that somebody reads as they come.
enum StandardOutput {
    static func write(_ text: String) { StandardError.write(text, to: 1) }
}
