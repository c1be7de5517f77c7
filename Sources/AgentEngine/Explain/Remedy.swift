internal import MartletTypes

/// What a person does about a failure, by its stable code.
///
/// The sentence of a failure says what happened; this says what changes it, and whether waiting does.
enum Remedy {
    /// The remedy for a code; what is not known here has one that always holds.
    static func of(_ code: String) -> String {
        if let text = texts[code] { return text }
        return retried.contains(code)
            ? "It is tried again by itself."
            : "It is not tried again until the slot's assignment changes: assign another release, or the same anew."
    }

    /// Ways to the registry that fail and come back.
    private static let retried: Set<String> = [
        "cannotResolve", "cannotConnect", "timedOut", "connectionLost", "redirected", "closed", "cancelled",
        "unexpectedStatus", "problem",
    ]

    private static let texts: [String: String] = [
        "agentCheckFailed":
            "Free memory on the box; after three tries it is tried again only where it is assigned anew.",
        "assignmentExpired": "Wait for the registry, or bring a bundle with `martlet-agent install`.",
        "baseMismatch": "Assign adapters of one base.",
        "belowFloor": "Assign a version that is not below the floor.",
        "blobMissing": "Publish the release again: the registry lost a part of it. It is tried again by itself.",
        "checkNotStarted": "Free memory, or raise the limit of processes; it goes on by itself.",
        "clockUntrusted": "Set the clock; it goes on by itself.",
        "crashLoop": "See the engine's log (log/SLOT.log in the data folder), then assign another release.",
        "digestMismatch": "Restore the blob in the registry; it is fetched again by itself.",
        "diskFull": "Free space, or raise diskBudgetBytes in the agent's configuration; it goes on by itself.",
        "engineExited": "See the engine's log (log/SLOT.log in the data folder), then assign another release.",
        "engineMissing": "Install llama-server, or name it in the agent's configuration; it goes on by itself.",
        "engineUnpackFailed":
            "Free memory on the box; after three tries it is tried again only where it is assigned anew.",
        "evaluationFailed": "Publish a better release; this one is not tried again until the assignment changes.",
        "expired": "The owner of the role signs it again: `martlet trust renew`. Check this device's clock too.",
        "indexNotReadable": "Assign it; a device may read only what is assigned to it.",
        "localRollback": "Assign another release: people on the box sent this one back.",
        "malformedWeights": "Publish it again from a sound file.",
        "noVariantFits": "Publish a variant that fits; the table says what each lacks.",
        "notPublished": "Publish it, or assign what is published; it is looked for again by itself.",
        "policyRefused": "Only this device's owner can allow it, by `policy` in the agent's configuration.",
        "probeFailed": "Publish a release that answers its own probes.",
        "readOnly": "Make the data folder writable; it goes on by itself.",
        "registryNeeded": "Ask again when the registry can be reached.",
        "storageFailed": "Check the disk; the kernel's log names its faults. It is tried again by itself.",
        "storeReadOnly": "Make the data folder writable; it goes on by itself.",
        "storeFull": "Free space on the disk of the data folder; it goes on by itself.",
        "targetMismatch": "Assign the release as its publisher signed it; if nobody changed it, distrust the registry.",
        "tooHot": "Cool the box; it goes on by itself, looked at each minute.",
        UpdateConditions.waitingCode: "Wait; it goes on by itself when that is so.",
        "weightCheckFailed": "Distrust the release: its file breaks what reads it. Publish another.",
        "yanked": "Assign another release: its publisher withdrew this one.",
    ]
}

extension Explanation.Reason {
    /// A reason with the remedy of its code.
    init(_ code: String, _ message: String) {
        self.init(code: code, message: message, remedy: Remedy.of(code))
    }
}
