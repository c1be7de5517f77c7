public import Logging

extension Logger {
    /// One that tells nobody.
    public static var silent: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}
