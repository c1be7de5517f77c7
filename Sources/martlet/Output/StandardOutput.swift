import Glibc

/// Standard output, unbuffered: for lines that somebody reads as they come.
enum StandardOutput {
    static func write(_ text: String) { StandardError.write(text, to: 1) }

    /// Columns of the terminal that it is, at least 20; nil where it is none.
    static var columns: Int? {
        var window = winsize()
        guard isatty(1) == 1, ioctl(1, UInt(TIOCGWINSZ), &window) == 0, window.ws_col > 0 else { return nil }
        return max(20, Int(window.ws_col))
    }
}
