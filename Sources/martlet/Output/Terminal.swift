import Glibc
import MartletTypes

/// The person at the keyboard.
enum Terminal {
    /// Whether one can be asked.
    static var isThere: Bool { isatty(0) == 1 }

    /// Asks for a secret without showing it; throws where the input ends.
    static func ask(_ prompt: String) throws -> [UInt8] {
        StandardError.write(prompt)
        var saved = termios()
        tcgetattr(0, &saved)
        var silent = saved
        silent.c_lflag &= ~tcflag_t(ECHO)
        tcsetattr(0, TCSAFLUSH, &silent)
        defer {
            tcsetattr(0, TCSAFLUSH, &saved)
            StandardError.write("\n")
        }
        guard let line = readLine() else {
            throw CommandError("nothingTyped", "Nothing was typed.", remedy: "Run the command again.")
        }
        return Array(line.utf8)
    }
}
