internal import Glibc
package import MartletTypes

/// Why the device's store could not do what was asked.
package struct AgentStoreError: MartletError, Equatable {
    /// Stable codes.
    package enum Code: String, Sendable, CaseIterable {
        /// The disk, a quota, or the store's own budget has no room.
        case diskFull
        /// The file system is mounted read-only or forbids writing.
        case readOnly
        /// A file or folder that must be there is absent.
        case missingFile
        /// Reading or writing failed.
        case storageFailed
        /// Another agent has this data folder open.
        case alreadyRunning
        /// The journal is damaged.
        case journalUnusable
        /// The disk does not give back what is in the journal.
        case journalUnreadable
        /// The journal was written by a newer agent.
        case journalTooNew
        /// Bytes do not have the digest that was promised.
        case digestMismatch
        /// More or fewer bytes than were promised.
        case lengthMismatch
        /// A file of the store does not have the form it was written in.
        case malformed
        /// Somebody else writes this blob at the moment.
        case busy
        /// Whoever wanted it does not want it any more.
        case cancelled
    }

    /// What happened.
    package let reason: Code
    package let message: String

    package init(_ reason: Code, _ message: String) {
        self.reason = reason
        self.message = message
    }

    /// From a system call that failed on `path`.
    package init(errno number: Int32, _ operation: String, _ path: String) {
        switch number {
        case ENOSPC, EDQUOT: reason = .diskFull
        case EROFS, EACCES, EPERM: reason = .readOnly
        case ENOENT: reason = .missingFile
        default: reason = .storageFailed
        }
        message = "Could not \(operation) \(path): \(String(cString: strerror(number)))."
    }

    package var code: String { reason.rawValue }

    package var remedy: String {
        switch reason {
        case .diskFull: "Free space, or raise the store's budget in the agent's configuration."
        case .readOnly: "Make the data folder writable for the agent's user."
        case .missingFile: "Check the data folder; enrol again if its identity is gone."
        case .storageFailed, .journalUnreadable: "Check the disk; the kernel's log names its faults."
        case .alreadyRunning: "Stop the other agent, or give this one a data folder of its own."
        case .journalUnusable: "The agent makes a new one; the damaged one is kept beside it."
        case .journalTooNew: "Run the agent version that wrote it, or move the journal aside."
        case .digestMismatch, .lengthMismatch: "It is fetched again; if it stays so, the registry's copy is damaged."
        case .malformed: "Remove the named file; what it held is rebuilt or fetched again."
        case .busy: "It is tried again when the other is done."
        case .cancelled: "It is done when it is wanted again."
        }
    }

    package var fault: ErrorFault {
        switch reason {
        case .digestMismatch, .lengthMismatch: .peer
        default: .environment
        }
    }
}
