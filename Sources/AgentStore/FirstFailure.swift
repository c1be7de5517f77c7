/// Carries work out piece by piece, of which each is worth doing without the others, and keeps the first error for the
/// end.
package struct FirstFailure {
    private var error: AgentStoreError?

    package init() {}

    /// Does one piece.
    package mutating func note(_ piece: () throws(AgentStoreError) -> Void) {
        do throws(AgentStoreError) {
            try piece()
        } catch {
            self.error = self.error ?? error
        }
    }

    /// Throws the first error, where there was one.
    package func end() throws(AgentStoreError) {
        if let error { throw error }
    }
}
