import Glibc
import MartletTypes
import NIOCore
import NIOPosix

/// An IP address, and how near it is: what keeps webhooks from reaching what only the registry's machine may reach.
struct NetworkAddress: Sendable, Hashable, CustomStringConvertible {
    /// Four or sixteen bytes.
    private let bytes: [UInt8]

    init?(_ text: String) {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 {
            bytes = withUnsafeBytes(of: four) { Array($0) }
            return
        }
        var six = in6_addr()
        guard inet_pton(AF_INET6, text, &six) == 1 else { return nil }
        bytes = withUnsafeBytes(of: six) { Array($0) }
    }

    private init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

    /// How near it is; nil is where nothing is ever sent: link-local and metadata services, multicast, and what no
    /// receiver can have.
    var network: WebhookNetwork? {
        guard !Self.metadataServices.contains(self) else { return nil }
        return bytes.count == 4 ? Self.networkOfFour(bytes) : networkOfSix
    }

    /// Services of clouds that give a machine its credentials or configuration, beside 169.254.169.254, which is
    /// link-local: Alibaba, Azure, Oracle, AWS and Google over IPv6.
    private static let metadataServices = Set(
        ["100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"].compactMap {
            NetworkAddress($0)
        })

    /// The special ranges of RFC 6890.
    private static func networkOfFour(_ bytes: [UInt8]) -> WebhookNetwork? {
        switch (bytes[0], bytes[1], bytes[2]) {
        case (0, _, _), (169, 254, _), (192, 0, 0), (192, 0, 2), (198, 51, 100), (203, 0, 113), (224..., _, _): nil
        case (127, _, _): .loopback
        case (10, _, _), (172, 16...31, _), (192, 168, _), (100, 64...127, _), (198, 18...19, _): .private
        default: .public
        }
    }

    private var networkOfSix: WebhookNetwork? {
        let head = bytes.prefix(12)
        if head.allSatisfy({ $0 == 0 }) { return bytes.suffix(4) == [0, 0, 0, 1] ? .loopback : nil }
        // An IPv4 address in another dress is judged as what it is: mapped, by NAT64, by 6to4.
        if head == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff] || head == [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0] {
            return NetworkAddress(bytes.suffix(4)).network
        }
        if bytes[0] == 0x20, bytes[1] == 0x02 { return NetworkAddress(bytes[2..<6]).network }
        // Teredo and documentation.
        if bytes.starts(with: [0x20, 0x01, 0, 0]) || bytes.starts(with: [0x20, 0x01, 0x0d, 0xb8]) { return nil }
        switch bytes[0] {
        case 0xfc, 0xfd: return .private
        case 0x20...0x3f: return .public
        default: return nil
        }
    }

    var description: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, bytes, &text, socklen_t(text.count))
        return text.withUnsafeBytes { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// The addresses of a host in the order in which the system would try them; empty where it has none.
    static func resolve(_ host: String) async throws -> [NetworkAddress] {
        if let address = NetworkAddress(host) { return [address] }
        // Look-ups block for seconds where a name server is away.
        return try await NIOThreadPool.singleton.runIfActive { lookUp(host) }
    }

    private static func lookUp(_ host: String) -> [NetworkAddress] {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, &hints, &found) == 0 else { return [] }
        defer { freeaddrinfo(found) }
        var addresses: [NetworkAddress] = []
        var next = found
        while let entry = next {
            next = entry.pointee.ai_next
            guard let socket = entry.pointee.ai_addr else { continue }
            switch entry.pointee.ai_family {
            case AF_INET:
                let address = UnsafeRawPointer(socket).loadUnaligned(as: sockaddr_in.self).sin_addr
                addresses.append(withUnsafeBytes(of: address) { NetworkAddress($0) })
            case AF_INET6:
                let address = UnsafeRawPointer(socket).loadUnaligned(as: sockaddr_in6.self).sin6_addr
                addresses.append(withUnsafeBytes(of: address) { NetworkAddress($0) })
            default: continue
            }
        }
        return addresses
    }
}
