/// What a download may take, in bytes per second; nil is without bound.
package struct DownloadSpeed: Sendable, Hashable {
    /// With all else that the client receives meanwhile.
    package var shared: Int64?
    /// By itself.
    package var own: Int64?

    package init(shared: Int64? = nil, own: Int64? = nil) {
        self.shared = shared
        self.own = own
    }

    /// The narrower of both.
    package var least: Int64? { [shared, own].compactMap(\.self).min() }
}
