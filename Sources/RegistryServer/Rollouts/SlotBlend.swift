import MartletTypes
import RegistryStore

/// What a slot is to run once a rollout moved it: a rollout of models keeps the engine that the slot runs by, one of an
/// engine keeps the models with their settings.
struct SlotBlend {
    /// The models, then the engine where there is one.
    let releases: [ReleasePath]
    let settings: SlotSettings
    /// Whether there is an engine and nothing that it could run.
    let isEmpty: Bool

    init(
        _ wanted: [ReleasePath], _ settings: SlotSettings, over before: DesiredSlot?, _ sql: any SQLConnection
    ) throws {
        let releases = ReleaseStore(sql)
        func isEngine(_ path: ReleasePath) throws -> Bool { try releases.find(path)?.kind == .engine }
        let engines = try wanted.filter(isEngine)
        let models = wanted.filter { !engines.contains($0) }
        let known = before?.releases ?? []
        // An engine never stands alone, so that most slots need not be asked about.
        let knownEngines = known.count > 1 ? try known.filter(isEngine) : []
        let knownModels = known.filter { !knownEngines.contains($0) }
        self.releases = (models.isEmpty ? knownModels : models) + (engines.isEmpty ? knownEngines : engines)
        self.settings = models.isEmpty ? before?.settings ?? settings : settings
        isEmpty = models.isEmpty && knownModels.isEmpty
    }
}
