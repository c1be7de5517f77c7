internal import NIOCore

/// Whether what serves requests still turns.
package enum RuntimePulse {
    /// Returns once the gateway's event loop and the thread that watches engines have each done something new. Where
    /// one of them is stuck, this does not return.
    package static func take() async {
        do {
            try await RuntimeLoop.loop.submit {}.get()
        } catch {
            // Never shut down and the closure throws nothing: there is nothing to do about what cannot be.
            return
        }
        await ProcessThread.shared?.run {}
    }
}
