internal import Glibc

/// Whether what a process writes is kept by the journal, where more people read it than may know a secret.
package enum JournalStream {
    /// Whether a descriptor is the stream to the journal that `$JOURNAL_STREAM` names (systemd.exec(5)), or the process
    /// is a service of systemd's (`$NOTIFY_SOCKET`), whose output is kept somewhere in any case.
    package static func receives(_ descriptor: Int32, environment: [String: String]) -> Bool {
        if environment["NOTIFY_SOCKET"].map({ !$0.isEmpty }) ?? false { return true }
        let named = (environment["JOURNAL_STREAM"] ?? "").split(separator: ":").map { UInt64($0) }
        var status = stat()
        guard named.count == 2, fstat(descriptor, &status) == 0 else { return false }
        // The variable is inherited by programs whose output goes elsewhere.
        return named[0] == UInt64(status.st_dev) && named[1] == UInt64(status.st_ino)
    }
}
