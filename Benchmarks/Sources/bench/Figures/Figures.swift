/// Every figure, in the order of the table.
enum Figures {
    static let all: [Figure] = [agentSize]
}
