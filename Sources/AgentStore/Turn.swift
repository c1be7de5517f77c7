/// Lets one task at a time pass, in the order they came: an actor alone would let others in at each `await`.
///
/// Part of the actor that owns it; not to be shared.
package struct Turn {
    private var isTaken = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    package init() {}

    /// Whether the caller may go on at once; else it must wait with `wait`.
    package mutating func take() -> Bool {
        guard !isTaken else { return false }
        isTaken = true
        return true
    }

    /// Lets a caller that may not go on wait for its turn.
    package mutating func wait(_ continuation: CheckedContinuation<Void, Never>) { waiting.append(continuation) }

    /// Hands the turn to who waited longest.
    package mutating func give() {
        if waiting.isEmpty {
            isTaken = false
        } else {
            waiting.removeFirst().resume()
        }
    }
}
