internal import CProcess
internal import Glibc

/// What the hardware probe asks that is in no file: of the kernel, and of a driver's own tool.
package enum HostQuestions {
    /// Whether the kernel takes its clock for right; nil where it does not tell.
    package static let clockIsSynchronised: @Sendable () -> Bool? = {
        switch cprocess_clock_is_synchronised() {
        case 0: false
        case 1: true
        default: nil
        }
    }

    /// What `nvidia-smi` answers, bounded in time and length as every short program is; nil where it is not there, or
    /// NVIDIA's driver is not, or it does not answer.
    package static func acceleratorTool(
        arguments: [String], driver: String = "/proc/driver/nvidia/gpus",
        programs: [String] = ["/usr/bin/nvidia-smi", "/usr/local/bin/nvidia-smi"]
    ) async -> String? {
        guard access(driver, F_OK) == 0 else { return nil }
        guard let path = programs.first(where: { access($0, X_OK) == 0 }), let thread = ProcessThread.shared else {
            return nil
        }
        let plan = ChildPlan(
            path: path, arguments: [path] + arguments, environment: ["PATH=/usr/bin:/bin", "LANG=C.UTF-8"])
        return try? await OutputCollector.run(plan, on: thread)
    }
}
