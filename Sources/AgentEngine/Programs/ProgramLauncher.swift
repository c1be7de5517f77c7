package import AgentStore
internal import Glibc
package import MartletTypes

/// The first thing that `martlet-agent run` does: which program on this device is to run, and its start in this
/// process's place. So whoever supervises the agent sees one process, whichever program it is.
package struct ProgramLauncher: Sendable {
    /// Names of variables by which a launched program knows of it.
    package enum Variable {
        /// The installed program, which is started anew to change programs.
        package static let launcher = "MARTLET_AGENT_LAUNCHER"
        /// The digest of the program that runs.
        package static let program = "MARTLET_AGENT_PROGRAM"
    }

    let folder: ProgramFolder
    private let data: String
    let environment: [String: String]
    private let boot: String?

    /// `boot` names this run of the machine; nil where that is not known.
    package init(data: String, environment: [String: String], boot: String? = Self.thisRun) {
        self.data = data
        self.boot = boot
        self.environment = environment
        folder = ProgramFolder(data: data)
    }

    /// The program that runs; nil is the installed one.
    package static func running(_ environment: [String: String]) -> Digest? {
        environment[Variable.program].flatMap { try? Digest($0) }
    }

    /// The file of the installed program, as it knows itself where it launched this one.
    package static func installed(_ environment: [String: String]) -> String {
        environment[Variable.launcher] ?? ownPath()
    }

    /// Starts what is to run in the place of this program; returns where that is this program itself.
    ///
    /// What goes wrong with a release is noted, and the next best is started: in the end the installed program. Throws
    /// `alreadyRunning` where an agent has the data folder: that says nothing of the program that would be started.
    package func launch(_ arguments: [String]) throws(AgentStoreError) {
        // A program that was launched does not launch.
        guard environment[Variable.program] == nil, access(data + "/agent", F_OK) == 0 else { return }
        let lock = try lock()
        defer { withExtendedLifetime(lock) {} }
        decide(arguments)
    }

    /// Held until this program becomes another, or goes on by itself; nil where the disk does not allow it.
    private func lock() throws(AgentStoreError) -> StoreLock? {
        do throws(AgentStoreError) {
            return try StoreLock(layout: StoreLayout(root: data))
        } catch {
            guard error.reason != .alreadyRunning else { throw error }
            return nil
        }
    }

    private func decide(_ arguments: [String]) {
        let own = try? SemanticVersion(MartletVersion.stamped)
        do {
            try folder.settle()
            // Each round ends in a start or takes one program away.
            for _ in 0..<Self.rounds {
                switch LaunchDecision(folder.record, own: own, boot: boot) {
                case .installed: return
                case .forgetTrial: try folder.forgetTrial()
                case .takeBack(let trial, let reason): try folder.takeBack(trial.program.digest, reason)
                case .goBack(let fall, let target):
                    try folder.goBack(fall, to: target.flatMap { folder.isSound($0.digest) ? $0 : nil })
                case .proven(let program, let starts):
                    guard folder.isSound(program.digest) else { return }
                    count(starts)
                    start(program, arguments)
                    return
                case .trial(let trial):
                    // Before the start: one that ends at once is counted too.
                    try folder.write(trial)
                    guard folder.isSound(trial.program.digest) else {
                        try folder.takeBack(trial.program.digest, .damaged)
                        continue
                    }
                    try watch(trial)
                    start(trial.program, arguments)
                    try folder.takeBack(trial.program.digest, .notExecutable)
                }
            }
        } catch {
            // A disk that takes no writes must not keep the installed program from running.
            return
        }
    }

    private static let rounds = 8

    /// Before the start: one that ends at once is counted too. A disk that takes no writes keeps nothing from running.
    private func count(_ starts: ProgramStarts) {
        do {
            try folder.count(starts)
        } catch {
            return
        }
    }

    /// Replaces this program by the installed one, which decides anew. Returns only where that fails.
    package static func relaunch(_ arguments: [String], _ environment: [String: String]) {
        let path = installed(environment)
        var environment = environment
        environment[Variable.launcher] = nil
        environment[Variable.program] = nil
        execute(path, arguments, environment)
    }

    /// What the kernel calls this run of the machine.
    package static var thisRun: String? {
        let file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        // A name of 36 characters, which comes in one piece.
        var name = [UInt8](repeating: 0, count: 64)
        let count = read(file, &name, name.count)
        guard count > 0 else { return nil }
        return String(decoding: name[..<count], as: UTF8.self).split(separator: "\n").first.map(String.init)
    }

    private func start(_ program: AgentProgram, _ arguments: [String]) {
        var environment = environment
        environment[Variable.launcher] = Self.ownPath()
        environment[Variable.program] = program.digest.text
        Self.execute(folder.path(of: program.digest), arguments, environment)
    }

    private static func ownPath() -> String {
        guard let path = realpath("/proc/self/exe", nil) else { return "/proc/self/exe" }
        defer { free(path) }
        return String(cString: path)
    }

    private static func execute(_ path: String, _ arguments: [String], _ environment: [String: String]) {
        withCStrings([path] + arguments.dropFirst()) { arguments in
            withCStrings(environment.map { "\($0.key)=\($0.value)" }) { environment in
                // This runs in a thread that holds all signals back, which the program would inherit for good.
                var none = sigset_t()
                sigemptyset(&none)
                pthread_sigmask(SIG_SETMASK, &none, nil)
                _ = execve(path, arguments, environment)
            }
        }
    }

    /// Starts a watchdog that outlives this program and the one on trial.
    private func watch(_ trial: AgentTrial) throws {
        let own = Self.ownPath()
        let arguments = [
            own, TrialWatch.verb, "--detach", data, trial.program.digest.text, String(trial.seconds), String(getpid()),
        ]
        var child: pid_t = 0
        let status = Self.withCStrings(arguments) { arguments in
            Self.withCStrings(environment.map { "\($0.key)=\($0.value)" }) { environment in
                posix_spawn(&child, own, nil, nil, arguments, environment)
            }
        }
        guard status == 0 else {
            throw AgentError(
                .programNotStarted, "The watchdog of a trial cannot be started: \(String(cString: strerror(status))).")
        }
        // It starts the one that stays and ends at once.
        var ending: Int32 = 0
        while waitpid(child, &ending, 0) < 0, errno == EINTR {}
        guard ending == 0 else { throw AgentError(.programNotStarted, "The watchdog of a trial did not start.") }
    }

    static func withCStrings<Result>(
        _ texts: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        let list = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: texts.count + 1)
        for (index, text) in texts.enumerated() { list[index] = strdup(text) }
        list[texts.count] = nil
        defer {
            for index in texts.indices { free(list[index]) }
            list.deallocate()
        }
        return body(list)
    }
}
