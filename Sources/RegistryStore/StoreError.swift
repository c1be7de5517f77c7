package import MartletTypes

/// Why the store did not do what it was asked. Equal by code.
package struct StoreError: MartletError, Equatable {
    /// What was wrong. The raw value is the stable code.
    package enum Code: String, Sendable, CaseIterable {
        /// A row or file does not hold what the schema promises.
        case corrupt
        /// The disk is full; nothing was changed.
        case diskFull
        /// The database or a file could not be read or written.
        case ioFailed
        /// Another process holds the database for longer than the time-out.
        case busy
        /// A rule of the schema (unique, reference, check) forbids the write.
        case conflict
        /// A compare-and-swap found another version than the caller expected.
        case versionConflict
        /// The same name was published before with other content.
        case alreadyExists
        /// No such row.
        case notFound
        /// An applied migration is not the one that the program ships.
        case migrationChanged
        /// The database was written by a newer program.
        case schemaTooNew
        /// A migration's file name or order is wrong.
        case badMigration
        /// The bytes do not have the digest that was promised.
        case digestMismatch
        /// No such upload, or it has expired.
        case uploadUnknown
        /// The chunk does not start where the upload stands.
        case uploadOffset
        /// Another request is writing to the same upload.
        case uploadBusy
        /// The bytes exceed a limit.
        case tooLarge
        /// Too many uploads are open.
        case tooMany
        /// A join token is unknown, spent or expired.
        case joinTokenRefused
        /// The lease was lost to another replica; nothing was written.
        case leaseLost
        /// An idempotency key was used before for another request.
        case idempotencyMismatch
        /// A release of one kind cannot enter a repository of another, or mix with others in a slot.
        case wrongKind
        /// The audit log was changed after it was written.
        case auditBroken
    }

    /// The stable code.
    package let kind: Code
    package let message: String
    /// What to do, where more is known than goes with the code.
    private let ownRemedy: String?
    /// The step of the schema that it is about.
    package let step: Int64?

    package init(_ kind: Code, _ message: String, remedy: String? = nil, step: Int64? = nil) {
        self.kind = kind
        self.message = message
        ownRemedy = remedy
        self.step = step
    }

    package var code: String { kind.rawValue }

    package var remedy: String {
        if let ownRemedy { return ownRemedy }
        return switch kind {
        case .corrupt, .auditBroken: "Restore the registry from a backup and keep the damaged files for inspection."
        case .diskFull: "Free space on the registry's disk, then try again."
        case .ioFailed: "Check the registry's disk and the permissions of its data folder."
        case .busy: "Try again; let only one registry use an SQLite file."
        case .conflict, .versionConflict: "Read the present state and try again."
        case .alreadyExists: "Publish the changed content under a new version."
        case .notFound: "Check the name."
        case .migrationChanged, .badMigration: "Run the program that wrote this database."
        case .schemaTooNew: "Run the newer registry again, or restore the backup made before the upgrade."
        case .digestMismatch: "Upload the blob again."
        case .uploadUnknown: "Begin a new upload."
        case .uploadOffset: "Ask for the upload's offset and go on from there."
        case .uploadBusy: "Send one chunk after the other."
        case .tooLarge: "Send less at once."
        case .tooMany: "Wait for other uploads to end."
        case .joinTokenRefused: "Make a new join token."
        case .leaseLost: ""
        case .idempotencyMismatch: "Use a fresh idempotency key for each request."
        case .wrongKind: "Use one repository for each kind of release."
        }
    }

    package var fault: ErrorFault {
        switch kind {
        case .corrupt, .diskFull, .ioFailed, .busy, .schemaTooNew, .auditBroken: .environment
        case .migrationChanged, .badMigration, .leaseLost: .us
        default: .caller
        }
    }

    package static func == (left: Self, right: Self) -> Bool { left.kind == right.kind }
}
