import Hummingbird
import MartletAPI
import MartletTypes
import RegistryStore
import Trust

/// What operators see and change. Handlers decode and encode; what they do stands in topic files.
struct OperatorService: Sendable {
    let core: RegistryCore
    let metadata: MetadataService
    let rollouts: RolloutService

    /// One page of a list that is already there whole: `cursor` is the position in it.
    static func page<Item>(_ items: [Item], _ exchange: Exchange) throws -> Page<Item> {
        let limit = try pageLimit(exchange)
        let start = Int(try exchange.number("cursor", in: 0...Int64(Int32.max)) ?? 0)
        let rows = items.dropFirst(start).prefix(limit)
        let end = start + rows.count
        return Page(items: Array(rows), next: end < items.count && !rows.isEmpty ? String(end) : nil)
    }

    /// How many rows a page shall have.
    static func pageLimit(_ exchange: Exchange) throws -> Int {
        Int(try exchange.number("limit", in: 1...Int64(Limits.pageRows)) ?? Int64(ServerLimits.defaultPageRows))
    }

    /// A random name such as `t-7f3a90c1`.
    static func newID(_ prefix: String) throws -> String { prefix + "-" + Hex.encode(try RandomBytes.make(8)) }
}
