/// Every figure, in the order of the table.
enum Figures {
    static var all: [Figure] {
        [
            hotSwapTiny, hotSwapSmol, gatewayOverhead, installThroughput, agentMemory, agentIdle, agentStart, agentSize,
            rollbackTiny,
            rollbackSmol, trustRefresh(1), trustRefresh(1000), trustRefresh(100_000),
            fleet,
            rolloutEngine(10_000), rolloutEngine(100_000), rolloutEngine(1_000_000),
        ]
    }
}
