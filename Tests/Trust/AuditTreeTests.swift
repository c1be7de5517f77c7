import MartletTypes
import Testing
import Trust

@Suite("Audit tree")
struct AuditTreeTests {
    /// The leaves and roots that implementations of RFC 6962 test with since Certificate Transparency began.
    static let known: [(leaf: String, root: String)] = [
        ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
        ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
        ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
        ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
        (
            "606162636465666768696a6b6c6d6e6f",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
        ),
    ]

    /// A log of some rows with all nodes of its tree.
    struct Log {
        var frontier = AuditFrontier()
        var nodes: [AuditTree.Place: Digest] = [:]
        var roots = [AuditTree.emptyRoot]

        init(_ count: Int) {
            for number in 0..<count { add(AuditTree.leaf(Array("row \(number)".utf8))) }
        }

        mutating func add(_ leaf: Digest) {
            for (place, hash) in frontier.append(leaf) { nodes[place] = hash }
            roots.append(frontier.root)
        }

        func node(_ place: AuditTree.Place) throws -> Digest { try #require(nodes[place]) }
    }

    @Test("has the roots of the vectors that others test with")
    func vectors() throws {
        var log = Log(0)
        #expect(AuditTree.emptyRoot.hex == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        for (leaf, root) in Self.known {
            log.add(AuditTree.leaf(try #require(Hex.decode(leaf))))
            #expect(log.frontier.root.hex == root)
            #expect(try AuditTree.root(of: 0..<log.frontier.size, log.node).hex == root)
        }
    }

    @Test("proves every row of every size, and no other row, place or size by the same proof")
    func inclusion() throws {
        let log = Log(33)
        for size in 1...Int64(33) {
            let root = log.roots[Int(size)]
            for index in 0..<size {
                let proof = try AuditTree.inclusionProof(of: index, in: size, log.node)
                func holds(_ row: Int64, at place: Int64, in size: Int64, _ proof: [Digest]) throws -> Bool {
                    AuditTree.isIncluded(
                        try log.node(.init(level: 0, index: row)), at: place, in: size, root: root, proof: proof)
                }
                #expect(try holds(index, at: index, in: size, proof))
                #expect(try !holds((index + 1) % 33, at: index, in: size, proof))
                for other in 0..<size where other != index { #expect(try !holds(index, at: other, in: size, proof)) }
                #expect(try !holds(index, at: index, in: size, proof + [root]))
                #expect(try proof.isEmpty || !holds(index, at: index, in: size, proof.dropLast()))
                let peaks = AuditTree.peaks(before: index, in: size, proof: proof)
                var part = try #require(AuditFrontier(size: index, peaks: peaks))
                for row in index..<size { part.append(try log.node(.init(level: 0, index: row))) }
                #expect(part.root == root, "the rows from \(index) on complete the tree of \(size)")
            }
        }
        #expect(!AuditTree.isIncluded(AuditTree.emptyRoot, at: 0, in: 0, root: AuditTree.emptyRoot, proof: []))
        #expect(!AuditTree.isIncluded(AuditTree.emptyRoot, at: -1, in: 1, root: AuditTree.emptyRoot, proof: []))
    }

    @Test("proves that each size continues each smaller one, and nothing about a log with another past")
    func consistency() throws {
        let log = Log(33)
        var other = Log(0)
        for number in 0..<33 { other.add(AuditTree.leaf(Array("row \(number == 3 ? 99 : number)".utf8))) }
        for size in 0...Int64(33) {
            for former in 0...size {
                let proof = try AuditTree.consistencyProof(from: former, to: size, log.node)
                func holds(_ old: Digest, _ proof: [Digest]) -> Bool {
                    AuditTree.isConsistent(from: former, old, to: size, log.roots[Int(size)], proof: proof)
                }
                #expect(holds(log.roots[Int(former)], proof), "\(former) to \(size)")
                if former > 3 {
                    #expect(!holds(other.roots[Int(former)], proof), "\(former) to \(size)")
                    let forged = try AuditTree.consistencyProof(from: former, to: size, other.node)
                    #expect(!holds(other.roots[Int(former)], forged), "\(former) to \(size)")
                }
                #expect(!holds(log.roots[Int(former)], proof + [AuditTree.emptyRoot]))
                #expect(proof.isEmpty || !holds(log.roots[Int(former)], proof.dropLast()))
                #expect(try AuditFrontier(size: former, log.node).root == log.roots[Int(former)])
            }
        }
        #expect(!AuditTree.isConsistent(from: 5, log.roots[5], to: 4, log.roots[4], proof: []))
    }
}
