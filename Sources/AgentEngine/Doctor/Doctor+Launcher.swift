internal import Glibc
internal import MartletTypes

extension Doctor {
    /// Whether systemd can start engines for the agent, where the configuration says that it shall.
    func launcher(_ settings: EngineSettings) -> [Diagnosis.Finding] {
        guard settings.launcher == .systemd, let missing = missingForUnits else { return [] }
        return [
            Ailment.launcherUnavailable.found(
                at: "engine.launcher", "systemd is to start engines, and cannot: \(missing).")
        ]
    }

    private var missingForUnits: String? {
        guard exists("/run/systemd/system") else { return "it does not run this machine" }
        let template = "martlet-runtime@.service"
        guard AgentUnit.folders.contains(where: { exists("\($0)/\(template)") }) else {
            return "there is no unit \(template)"
        }
        var info = stat()
        // Root asks nobody's leave.
        guard stat(scene.data, &info) == 0, info.st_uid != 0 else { return nil }
        guard exists("/usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service") else {
            return "there is no polkit, which would let the agent's user ask for it"
        }
        let rule = "/usr/share/polkit-1/rules.d/50-martlet-agent.rules"
        // The owner's own rules may say it under any name, and only polkit can read them.
        let own = "/etc/polkit-1/rules.d"
        let mayHaveOwn =
            exists(own) && access(scene.root + own, R_OK) != 0
            || names(in: scene.root + own).contains { $0.hasSuffix(".rules") }
        guard exists(rule) || mayHaveOwn else { return "no rule of polkit (\(rule)) lets the agent's user ask for it" }
        return nil
    }
}
