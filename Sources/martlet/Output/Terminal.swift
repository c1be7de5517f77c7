import Glibc
import MartletTypes

/// The person at the keyboard.
enum Terminal {
    /// Whether one can be asked.
    static var isThere: Bool { isatty(0) == 1 }

    /// How the terminal was before a secret was asked for. Written before the handler that reads it is installed.
    private nonisolated(unsafe) static var before = termios()

    /// Asks for a secret without showing it; throws where the input ends.
    static func ask(_ prompt: String) throws -> [UInt8] {
        StandardError.write(prompt)
        tcgetattr(0, &before)
        // Ctrl-C at the prompt must not leave a terminal behind that shows nothing any more.
        let former = signal(SIGINT) { number in
            tcsetattr(0, TCSAFLUSH, &Terminal.before)
            _exit(128 + number)
        }
        var silent = before
        silent.c_lflag &= ~tcflag_t(ECHO)
        tcsetattr(0, TCSAFLUSH, &silent)
        defer {
            tcsetattr(0, TCSAFLUSH, &before)
            signal(SIGINT, former)
            StandardError.write("\n")
        }
        guard let line = readLine() else {
            throw CommandError("nothingTyped", "Nothing was typed.", remedy: "Run the command again.")
        }
        return Array(line.utf8)
    }

    /// Asks a question whose answer is no unless it begins with y.
    static func confirm(_ prompt: String) -> Bool {
        StandardError.write(prompt)
        return readLine()?.lowercased().hasPrefix("y") ?? false
    }
}
