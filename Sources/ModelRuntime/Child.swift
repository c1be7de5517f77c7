internal import CProcess
internal import Glibc

/// What to start as a child, in Swift's words.
struct ChildPlan: Sendable {
    var path: String
    var arguments: [String]
    var environment: [String] = []
    var folder: String?
    var descriptors: UInt64 = 0
    /// Memory that the child may write to, in bytes; 0 leaves the limit as it is.
    var dataBytes: UInt64 = 0
    var niceness: Int32 = 0
    /// Above zero the kernel ends the child before the agent when memory is short.
    var outOfMemoryScore: Int32 = 0
    var confinement: UInt32 = 0
    var confinementRequired = false
    var readable: [String] = []
    var writable: [String] = []

    /// Confines it to the system's own files and what is named.
    mutating func confine(
        _ confinement: Confinement, readable: [String], writable: [String] = [], mayLink: Bool = false
    ) {
        guard confinement.mode != .off else { return }
        self.confinement = UInt32(CPROCESS_LANDLOCK | CPROCESS_SECCOMP | (mayLink ? CPROCESS_LINKS : 0))
        confinementRequired = confinement.mode == .required
        self.readable = Confinement.systemReadable + readable + confinement.readable
        self.writable = Confinement.systemWritable + writable + confinement.writable
    }
}

/// A started child. Whoever has it must watch `descriptor` and reap it.
struct Child: Sendable {
    let pid: Int32
    /// Process descriptor: readable when the child has ended.
    let descriptor: Int32
    /// What took effect.
    let applied: Confinement.Applied

    /// Why a child could not be started.
    struct Failure: Error {
        let step: Int32
        let error: Int32

        /// The step and the reason, for people.
        var text: String {
            let reason = String(cString: strerror(error))
            return switch Int(step) {
            case CPROCESS_STEP_PIPE: "no pipe could be made: \(reason)"
            case CPROCESS_STEP_FORK: "the process could not be forked: \(reason)"
            case CPROCESS_STEP_DESCRIPTORS: "its input and output could not be set: \(reason)"
            case CPROCESS_STEP_FOLDER: "its folder cannot be entered: \(reason)"
            case CPROCESS_STEP_CONFINEMENT: "the kernel lacks a part of the demanded confinement"
            case CPROCESS_STEP_EXECUTE: "it cannot be executed: \(reason)"
            case CPROCESS_STEP_DESCRIPTOR_OF_CHILD: "the kernel gave no process descriptor: \(reason)"
            default: "step \(step) failed: \(reason)"
            }
        }

        /// Whether the confinement was what failed.
        var isConfinement: Bool { Int(step) == CPROCESS_STEP_CONFINEMENT }
    }

    /// Starts a child on the calling thread, which must be `ProcessThread`. `output` becomes its output and error.
    static func start(_ plan: ChildPlan, output: Int32) -> Result<Child, Failure> {
        var outcome = cprocess_outcome()
        let status = withStrings([plan.arguments, plan.environment, plan.readable, plan.writable]) { lists in
            plan.path.withCString { path in
                withOptionalString(plan.folder) { folder in
                    var raw = cprocess_plan()
                    raw.path = path
                    raw.arguments = UnsafePointer(lists[0])
                    raw.environment = UnsafePointer(lists[1])
                    raw.folder = folder
                    raw.output = output
                    raw.descriptors = plan.descriptors
                    raw.data_bytes = plan.dataBytes
                    raw.niceness = plan.niceness
                    raw.out_of_memory_score = plan.outOfMemoryScore
                    raw.confinement = plan.confinement
                    raw.confinement_required = plan.confinementRequired ? 1 : 0
                    return lists[2].withMemoryRebound(to: UnsafePointer<CChar>?.self, capacity: 1) { readable in
                        lists[3].withMemoryRebound(to: UnsafePointer<CChar>?.self, capacity: 1) { writable in
                            raw.readable = UnsafePointer(readable)
                            raw.writable = UnsafePointer(writable)
                            return cprocess_spawn(&raw, &outcome)
                        }
                    }
                }
            }
        }
        guard status == 0 else { return .failure(Failure(step: outcome.step, error: outcome.error)) }
        return .success(
            Child(pid: outcome.pid, descriptor: outcome.descriptor, applied: .init(rawValue: outcome.applied)))
    }

    /// Reaps the child if it has ended. Returns nil while it runs.
    func reap() -> EngineExit.Reason? {
        var end = cprocess_end()
        switch cprocess_reap(descriptor, pid, &end) {
        case 0: return nil
        case 1: return end.kind == 1 ? .exited(end.value) : .signalled(end.value)
        default: return .unobserved
        }
    }
}

/// Calls `body` with NULL-terminated arrays of C strings, one for each list.
func withStrings<Result>(
    _ lists: [[String]], _ body: ([UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>]) -> Result
) -> Result {
    var arrays: [UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>] = []
    for list in lists {
        let array = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: list.count + 1)
        for (index, text) in list.enumerated() { array[index] = strdup(text) }
        array[list.count] = nil
        arrays.append(array)
    }
    defer {
        for (array, list) in zip(arrays, lists) {
            for index in list.indices { free(array[index]) }
            array.deallocate()
        }
    }
    return body(arrays)
}

private func withOptionalString<Result>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> Result) -> Result {
    guard let text else { return body(nil) }
    return text.withCString { body($0) }
}
