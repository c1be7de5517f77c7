import MartletTypes
import TUF

/// The ends of metadata as operators watch them: each standard role, and for each namespace the end that comes first of
/// its role and its bins. A namespace has a hundred and more of these, which all ask for the same deed.
struct ExpirySeries {
    /// By name; the standard roles first.
    let ends: [(role: String, end: Timestamp)]
    /// Namespaces that are not told because there are too many: those that end last.
    let omitted: Int

    init(_ all: [String: Timestamp], limit: Int = ServerLimits.expirySeries) {
        var standard: [(role: String, end: Timestamp)] = []
        var namespaces: [String: Timestamp] = [:]
        for (role, end) in all {
            if TopLevelRole(rawValue: role) != nil {
                standard.append((role, end))
            } else {
                let namespace = Self.namespace(of: role)
                namespaces[namespace] = min(end, namespaces[namespace] ?? end)
            }
        }
        standard.sort { $0.role < $1.role }
        // Namespaces that end first matter most; told in an order that does not change with each signature.
        let first = namespaces.sorted { ($0.value, $0.key) < ($1.value, $1.key) }.prefix(limit)
        omitted = namespaces.count - first.count
        ends = standard + first.sorted { $0.key < $1.key }.map { (role: $0.key, end: $0.value) }
    }

    /// `clinic` of `clinic-bin-3f`: no namespace is named as a bin is (`NamespaceLayout`).
    private static func namespace(of role: String) -> String {
        guard let mark = role.ranges(of: "-bin-").last, role[mark.upperBound...].allSatisfy(\.isHexDigit) else {
            return role
        }
        return String(role[..<mark.lowerBound])
    }
}
