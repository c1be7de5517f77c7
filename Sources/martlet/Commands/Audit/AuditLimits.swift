/// Bounds on what the audit commands read and keep.
enum AuditLimits {
    /// Rows of one log: twenty years of a change every ten minutes; an export of them takes about 400 MB.
    static let rows = 1_000_000
    /// Bytes of one line of an export: a row's canonical form is at most 64 KiB.
    static let lineBytes = 256 * 1024
    /// Rows that are held in memory at once while a file is read.
    static let pageRows = 1000
}
