internal import MartletTypes

extension SlotSharing {
    static let members = ["memoryBudgetBytes", "idleSeconds", "minResidenceSeconds"]

    init(_ object: ConfigurationObject) throws(AgentError) {
        self.init()
        memoryBudget = try object.integer("memoryBudgetBytes", in: ConfigurationRange.memory).map { ByteCount($0) }
        if let seconds = try object.integer("idleSeconds", in: ConfigurationRange.idleSeconds), seconds > 0 {
            idleTime = .seconds(seconds)
        }
        if let seconds = try object.integer("minResidenceSeconds", in: ConfigurationRange.residenceSeconds) {
            minResidence = .seconds(seconds)
        }
    }
}

extension ConfigurationRange {
    /// From the smallest engine to more than any memory.
    static let memory: ClosedRange<Int64> = 16_777_216...(1 << 50)
    /// From never, which is 0, to a month, which is nearly that.
    static let idleSeconds: ClosedRange<Int64> = 0...2_592_000
    /// An hour: requests of other slots wait far less long.
    static let residenceSeconds: ClosedRange<Int64> = 0...3600
}
