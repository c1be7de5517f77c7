/// What can be wrong with a device, by its stable name; docs/doctor.md has the table.
package enum Ailment: String, Sendable, CaseIterable {
    // Configuration
    case configurationUnreadable, configurationWrong, nothingAllowed, configurationExposed, configurationNotUsed
    // The data folder
    case dataMissing, dataNotFolder, dataUnreadable, dataWrongOwner, dataNotWritable, dataReadOnly, diskFull
    case diskBelowReserve
    // Processes
    case twoAgents, agentNotAnswering, agentNotRunning, otherVersion, agentProblem, unitNotEnabled
    // Who the device is
    case notEnrolled, identityDamaged, keyMissing, keyUnusable, keyExposed, certificateExpired, certificateNotYetValid
    case certificateEndsSoon
    // The clock
    case clockBehind, clockAhead, clockNotSynchronised
    // The way to the registry
    case registryNameUnknown, registryNotReached, proxyNotReached, registryNameMismatch, registryAuthorityUnknown
    case registryRefusesCertificate, registryRefusesDevice, registryFailing, registryNotMartlet
    // Whom the device believes
    case rootMissing, metadataMissing, metadataDamaged, metadataExpired, trustDocumentMissing
    // Engines and models
    case engineMissing, engineNotExecutable, engineLibraryMissing, engineNotStarting, engineTooOld
    case declaredEngineMissing, launcherUnavailable, confinementUnavailable, modelDoesNotFit, slotBlocked
    // The gateway
    case gatewayPortTaken, gatewayAddressUnusable, gatewayKeysRequired, socketPathTooLong
    // The box
    case cgroupNotDelegated, memoryPressure, swapInUse, tooHot, throttled

    /// How bad it is.
    package var severity: Diagnosis.Severity {
        switch self {
        case .cgroupNotDelegated: .note
        case .nothingAllowed, .configurationExposed, .configurationNotUsed, .diskBelowReserve, .agentNotRunning,
            .otherVersion, .agentProblem, .unitNotEnabled, .certificateEndsSoon, .clockNotSynchronised,
            .metadataMissing, .metadataExpired, .slotBlocked, .memoryPressure, .swapInUse, .tooHot, .throttled:
            .warning
        default: .error
        }
    }

    /// A finding of it. `remedy` is what to do about it where that differs from case to case.
    func found(at place: String, _ message: String, remedy: String? = nil) -> Diagnosis.Finding {
        Diagnosis.Finding(
            id: rawValue, severity: severity, place: place, message: message, remedy: remedy ?? self.remedy)
    }
}

extension Ailment {
    /// What to do about it.
    var remedy: String { Self.remedies[self] ?? "" }

    private static let remedies: [Ailment: String] = [
        .configurationUnreadable: "Let the agent's user read it, or name another file by --config.",
        .configurationWrong: "Correct the file; docs/formats/agent-config.md describes it.",
        .nothingAllowed: "Say in `policy` which repositories may run here, e.g. {\"otherSlots\": [\"clinic/*\"]}.",
        .configurationExposed: "chmod 600 it (in /etc/martlet 640, root:martlet-agent): it holds keys of the gateway.",
        .configurationNotUsed: "Say it in the file that is used, or have the unit name this one (docs/systemd.md).",
        .dataMissing: "Check --data, or enrol: `martlet-agent enrol` makes it.",
        .dataNotFolder: "Name a folder by --data.",
        .dataUnreadable: "Run the doctor as root or as the agent's user.",
        .dataWrongOwner: "chown -R the data folder to the agent's user: a command was run there as another user.",
        .dataNotWritable: "Give the folder to the agent's user, and let that user write it.",
        .dataReadOnly: "Look for the fault in the kernel's log (dmesg), then mount it for writing.",
        .diskFull: "Free space; installations go on by themselves.",
        .diskBelowReserve: "Free space, or lower diskReserveBytes: nothing new is installed meanwhile.",
        .twoAgents: "Stop one of them; look for a unit and an agent that was started by hand.",
        .agentNotAnswering: "See its log (journalctl -u martlet-agent), then restart it.",
        .agentNotRunning: "Start it: `systemctl start martlet-agent`, or `martlet-agent run --data DIR`.",
        .otherVersion: "Restart the agent: it runs what was installed before.",
        .unitNotEnabled: "systemctl enable --now martlet-agent",
        .notEnrolled: "Run `martlet-agent enrol --join-file FILE` with a token of `martlet token join`.",
        .identityDamaged: "Enrol again: `martlet-agent enrol --force`.",
        .keyMissing: "Bring the key back, or enrol again: `martlet-agent enrol --force`.",
        .keyUnusable: "Check deviceKey in the configuration, or enrol again: `martlet-agent enrol --force`.",
        .keyExposed: "chmod 600 it; if others may have read it, enrol again: `martlet-agent enrol --force`.",
        .certificateExpired:
            "Check the clock and let the agent reach the registry, which renews it for two years after its end; enrol "
            + "again after that: `martlet-agent enrol --force`.",
        .certificateNotYetValid: "Set the clock.",
        .certificateEndsSoon: "Let the agent reach the registry, which renews it.",
        .clockBehind: "Set the clock, and let something keep it (systemd-timesyncd, chrony); it goes on by itself.",
        .clockAhead: "Set the clock, and let something keep it (systemd-timesyncd, chrony).",
        .clockNotSynchronised: "Let systemd-timesyncd or chrony reach its servers: timedatectl status",
        .registryNameUnknown: "Check the name servers of this box, and the registry's address.",
        .registryNotReached: "Check that the registry runs there and that no firewall stands between.",
        .proxyNotReached: "Correct https_proxy in the agent's environment, or name the registry in no_proxy.",
        .registryNameMismatch: "Start the registry with --public-device-url for the address that devices use.",
        .registryAuthorityUnknown: "If the registry was made anew, enrol again; else something stands between.",
        .registryRefusesCertificate: "Enrol again: `martlet-agent enrol --force`; check the clock before.",
        .registryRefusesDevice: "Ask an operator: `martlet devices show NAME`.",
        .registryFailing: "See the registry's log; the agent tries again by itself.",
        .registryNotMartlet: "Check that the address is that of a Martlet registry's device listener.",
        .rootMissing: "Enrol again: `martlet-agent enrol --force`.",
        .metadataMissing: "Let the agent reach the registry once, or bring a file of `martlet export`.",
        .metadataDamaged: "Remove the file; the agent fetches it again.",
        .metadataExpired: "Let the agent reach the registry; if it does: `martlet trust renew` by the owner.",
        .trustDocumentMissing: "The owner must run `martlet trust init`.",
        .engineMissing: "Install llama-server, and name it in engine.llamaServer or $MARTLET_LLAMA_SERVER.",
        .engineNotExecutable: "chmod 755 it.",
        .engineLibraryMissing: "Install the library, or an engine that is whole: `ldd` names what is missing.",
        .engineNotStarting: "Run it with --version by hand and read what it says.",
        .engineTooOld: "Install a newer llama-server; the agent sees it by itself.",
        .declaredEngineMissing: "Install its program where `engines` of the configuration says, or declare it there.",
        .launcherUnavailable: "Install the package martlet-agent and polkit (polkitd), or set engine.launcher to fork.",
        .confinementUnavailable: "Set engine.confine to available, or use a kernel of 5.13 or later with Landlock.",
        .modelDoesNotFit: "Assign a smaller variant or context: `martlet-agent explain SLOT` shows the numbers.",
        .slotBlocked: "`martlet-agent explain SLOT` tells more.",
        .gatewayPortTaken: "End the program that has the port (ss -ltnp), or configure another one.",
        .gatewayAddressUnusable: "Configure an address of this machine and a port that the agent's user may open.",
        .gatewayKeysRequired: "Set gateway.keys, or let it listen on 127.0.0.1.",
        .socketPathTooLong: "Use a shorter path.",
        .cgroupNotDelegated: "Set Delegate=cpu memory in the agent's unit to limit engines slot by slot.",
        .memoryPressure: "Assign smaller variants or fewer slots, or give the box more memory.",
        .swapInUse: "Assign smaller variants: weights that are swapped answer slowly.",
        .tooHot: "Cool the box: background work waits meanwhile.",
        .throttled: "Check the power supply and the cooling.",
    ]
}
