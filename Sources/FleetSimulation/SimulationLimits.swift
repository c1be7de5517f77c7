/// Bounds of a simulation, each with its reason.
package enum SimulationLimits {
    /// Devices in one process: as many as connections and memory of a large machine bear.
    package static let devices = 100_000
    /// Bytes of a profile: a page of text, with room.
    package static let profileBytes = 256 * 1024
    /// Reports that wait on one device; the oldest is dropped beyond it, as an agent's journal would.
    static let waitingReports = 200
    /// Reports in one batch.
    static let batchReports = 50
    /// Requests of one interval that are drawn one by one; what is beyond only counts.
    static let drawnRequests = 200
    /// Rows of a simulated evaluation.
    static let evaluationRows = 50
    /// Devices that enrol from one loopback address: a registry takes 60 enrolments a minute from each.
    package static let devicesPerAddress = 40
    /// Enrolments under way at once.
    static let enrolmentsAtOnce = 100
    /// Files that the process needs beside one for each connection.
    package static let otherFiles = 256
    /// Bytes of any answer but a blob; an assignment is the largest.
    static let answerBytes = 4 * 1024 * 1024
    /// Seconds that a call may take beyond the time for which a poll asks.
    static let callSeconds: Int64 = 60
    /// Seconds for a connection to be made.
    static let connectSeconds: Int64 = 30
    /// Pauses after failures double from the first to the longest.
    static let firstPauseSeconds = 1.0
    static let longestPauseSeconds = 60.0
    /// Layers of a release that a device reads in `--fetch blobs`.
    static let fetches = 256
    /// Events that wait for a slow reader; the oldest is dropped beyond it.
    static let waitingEvents = 200_000
    /// Seconds between two refreshes of what the owner signed, when an assignment's signature does not fit.
    static let refreshSeconds: Int64 = 5
}
