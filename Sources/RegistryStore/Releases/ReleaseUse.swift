package import MartletTypes

/// A release that no device should install any more, and that devices still run.
package struct ReleaseUse: Sendable, Hashable {
    package var release: ReleaseRow
    /// The devices whose current generation has it, by name.
    package var devices: [DeviceID]
    /// The newest release of the repository that devices may install instead; nil where there is none.
    package var instead: ReleasePath?
}

extension ReleaseStore {
    /// Releases that are blocked, yanked or below their floor while devices run them, at most a page of them.
    package func stillRunning() throws -> [ReleaseUse] {
        var uses: [ReleaseUse] = []
        for path in try currentPaths() {
            guard let row = try find(path), row.state != .published || row.isBelowFloor else { continue }
            uses.append(try use(of: row))
            if uses.count == Limits.pageRows { break }
        }
        return uses
    }

    /// Who runs a release, and what could run instead of it.
    package func use(of row: ReleaseRow) throws -> ReleaseUse {
        let devices = Set(try users(of: row.path, phase: .current).map(\.device)).sorted()
        let others = try all(in: row.path.repository).filter {
            $0.path != row.path && $0.state == .published && !$0.isBelowFloor
        }
        // Going back comes first; only where nothing older may run, a newer one is named.
        let older = others.last { $0.path.version < row.path.version }
        return ReleaseUse(release: row, devices: devices, instead: (older ?? others.last)?.path)
    }

    /// Every release of a repository, by precedence of their versions.
    private func all(in repository: RepositoryName) throws -> [ReleaseRow] {
        var rows: [ReleaseRow] = []
        while true {
            let page = try list(repository: repository, after: rows.last?.path)
            rows += page
            if page.count < Limits.pageRows { return rows }
        }
    }
}
