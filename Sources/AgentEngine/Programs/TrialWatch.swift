internal import Glibc
package import MartletTypes
internal import ModelRuntime

/// The watchdog of a program on trial: a process of the installed program that ends the one on trial where it has not
/// reached the registry in time. What supervises the agent then starts it anew, and the launcher takes the old program.
package enum TrialWatch {
    /// The hidden command of the installed program.
    package static let verb = "watch-trial"

    /// Starts `watch` as a process of nobody's child. `arguments` are those of the hidden command, without `--detach`.
    package static func detach(_ arguments: [String], _ environment: [String: String]) -> Bool {
        var child: pid_t = 0
        let own = "/proc/self/exe"
        let status = ProgramLauncher.withCStrings([own, verb] + arguments) { arguments in
            ProgramLauncher.withCStrings(environment.map { "\($0.key)=\($0.value)" }) { environment in
                posix_spawn(&child, own, nil, nil, arguments, environment)
            }
        }
        return status == 0
    }

    /// Waits until the trial is decided, its process is gone, or its time is over; then takes the program back and ends
    /// the process: with SIGTERM, and SIGKILL where it does not follow. Blocks.
    package static func watch(data: String, program: Digest, seconds: Int, process: Int32) {
        let folder = ProgramFolder(data: data)
        guard let watched = ProcessWatch(process: process) else { return }
        let end = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < end {
            guard folder.trial?.program.digest == program else { return }
            if watched.hasEnded(within: lookMilliseconds) { return }
        }
        do {
            guard try folder.takeBack(program, .noPoll) else { return }
        } catch {
            return
        }
        watched.send(SIGTERM)
        if !watched.hasEnded(within: graceMilliseconds) { watched.send(SIGKILL) }
    }

    /// How often it is looked whether the trial is decided.
    private static let lookMilliseconds: Int32 = 1000
    /// How long the program on trial has to end in good order.
    private static let graceMilliseconds: Int32 = 20_000
}
