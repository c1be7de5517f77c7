internal import MartletTypes

extension ProgramLauncher {
    /// Runs the agent. Where it ends at once by what its owner, or another program on the box, has to mend, the program
    /// that was launched is not blamed: the one before it would end the same way, and both would be given up for good.
    package func forgiving<Value>(_ work: () async throws -> Value) async throws -> Value {
        do {
            return try await work()
        } catch {
            forgive(error)
            throw error
        }
    }

    /// Takes the start that ended by `error` out of the count, where it says nothing of the program.
    package func forgive(_ error: any Error) {
        guard let program = Self.running(environment), let error = error as? any MartletError,
            Self.foreignCodes.contains(error.code)
        else { return }
        do {
            try folder.forgive(program)
        } catch {
            // It counts, then: on a disk that takes no writes no start was counted either.
            return
        }
    }

    /// Codes of a configuration that is wrong, and of a port, a socket or a data folder that others have.
    private static let foreignCodes: Set<String> = [
        "invalidConfiguration", "invalidValue", "notEnrolled", "keysRequired", "socketPathTooLong", "portInUse",
        "cannotListen", "alreadyRunning",
    ]
}
