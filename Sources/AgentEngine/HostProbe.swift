internal import DeviceProfiles
internal import ModelRuntime

extension HardwareProbe {
    /// The probe of the machine that this runs on.
    ///
    /// NVIDIA's tool is asked here, once: what it tells does not change while the machine runs, and asking takes long.
    static func ofThisMachine(storagePaths: [String]) async -> HardwareProbe {
        let query = HardwareProbe.acceleratorQuery
        let answer = await HostQuestions.acceleratorTool(arguments: query)
        return HardwareProbe(
            storagePaths: storagePaths, command: { _, arguments in arguments == query ? answer : nil },
            kernelClock: HostQuestions.clockIsSynchronised)
    }
}
