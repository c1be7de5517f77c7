package import AgentStore
internal import MartletTypes
internal import RegistryClient
internal import TUF
package import Trust

extension TrustKeeper {
    /// Makes sure that publishers signed exactly this release and have not taken it back. Throws `SlotFailure`.
    ///
    /// Asks the registry first, so that a yank or a floor of a minute ago counts; where it does not answer, what is on
    /// the device holds while it is valid. What the device had before (`isBefore`) is checked by that alone where it
    /// can be: going back needs no network.
    package func check(_ release: AssignedRelease, isBefore: Bool = false) async throws {
        if isBefore, try await isSigned(release, asKnownHere: true) { return }
        do {
            try await refresh()
        } catch {
            guard Self.isTransport(error) else { throw SlotFailure.from(error, otherwise: .retry) }
            if !isBefore, try await isSigned(release, asKnownHere: true) { return }
            try refuse(release.path)
            throw SlotFailure.from(error, otherwise: .transport)
        }
        guard try await isSigned(release, asKnownHere: false) else {
            throw SlotFailure(
                .retry, code: "notPublished",
                message: "\(release.path.reference) is assigned, but its publisher's signature is not there, or "
                    + "withdrawn.")
        }
    }

    /// Looks again for every release that slots have or are to have, and for the floors of their repositories.
    ///
    /// Returns what was taken back since it looked last. Throws what reading the metadata throws.
    package func lookForTakenBack(_ slots: [SlotRecord]) async throws -> [TakenBack.Refusal] {
        var had: Set<ReleasePath> = []
        var others: Set<ReleasePath> = []
        for slot in slots {
            for record in [slot.current, slot.previous, slot.candidate] { had.formUnion(record?.paths ?? []) }
            // Its signature was checked once there is a plan.
            if slot.planned.isEmpty {
                others.formUnion(slot.target?.paths ?? [])
            } else {
                had.formUnion(slot.target?.paths ?? [])
            }
        }
        let before = store.takenBack.current
        for path in had.union(others).sorted() {
            let seen = try await look(for: path, with: tuf)
            try await keep(seen, of: path, wasPublished: had.contains(path))
        }
        let after = store.takenBack.current
        return had.union(others).sorted().compactMap { path in
            let refusal = after.refusal(of: path)
            return refusal == before.refusal(of: path) ? nil : refusal
        }
    }

    /// The metadata on this device as a client of its own that changes nothing; nil where it is not valid any more.
    func cachedClient() async throws -> TUFClient? {
        do {
            let view = ReadOnlyMetadataStore(base: store.metadata)
            let client = try TUFClient(trustedRoot: firstRoot, fetcher: CachedMetadata(store: view), store: view)
            try await client.refresh(now: clock.now)
            return client
        } catch is TUFError {
            return nil
        }
    }

    /// What the metadata says about a release.
    private struct Sight {
        var file: TargetFile?
        var floor: ReleaseFloor?
        var position: TakenBack.Position
    }

    private func isSigned(_ release: AssignedRelease, asKnownHere isCached: Bool) async throws -> Bool {
        guard let sight = try await sight(of: release.path, isCached) else { return false }
        let isOlder = try await keep(sight, of: release.path, wasPublished: false)
        try refuse(release.path)
        guard let file = sight.file, !isOlder else { return false }
        guard file.names(release.indexDigest, length: release.length) else {
            if isCached { return false }
            throw SlotFailure(
                .final, code: "targetMismatch",
                message: "Director and publisher disagree about \(release.path.reference): the assignment says "
                    + "\(release.indexDigest).")
        }
        return true
    }

    /// Nil where the metadata on the device is not enough to tell.
    private func sight(of path: ReleasePath, _ isCached: Bool) async throws -> Sight? {
        guard isCached else { return try await look(for: path, with: tuf) }
        guard let client = try await cachedClient() else { return nil }
        do {
            return try await look(for: path, with: client)
        } catch is TUFError {
            return nil
        }
    }

    private func look(for path: ReleasePath, with client: TUFClient) async throws -> Sight {
        let repository = path.repository
        let found = try await client.search(path.text)
        var sight = Sight(file: found.file, position: TakenBack.Position(versions: found.versions))
        if let target = try await client.target(ReleaseFloor.path(of: repository)) {
            do {
                sight.floor = try ReleaseFloor(target, of: repository)
            } catch {
                throw SlotFailure.from(error, otherwise: .retry)
            }
        }
        return sight
    }

    /// Remembers what was seen; returns whether a release's signature is older than the yank that was seen.
    @discardableResult
    private func keep(_ sight: Sight, of path: ReleasePath, wasPublished: Bool) async throws -> Bool {
        let (position, isThere) = (sight.position, sight.file != nil)
        let floor = sight.floor
        do {
            try await store.takenBack.update { known in
                if let floor { known.note(floor, of: path.repository) }
                if isThere {
                    _ = known.noteSigned(path, at: position)
                } else if wasPublished {
                    known.noteYank(path, at: position)
                }
            }
        } catch {
            throw SlotFailure.from(error, otherwise: .retry)
        }
        return isThere && store.takenBack.current.yanked[path] != nil
    }

    /// Throws where what publishers took back forbids a release. A floor is final; a yank is for metadata that is not
    /// newer than it, which only `keep` can tell.
    private func refuse(_ path: ReleasePath) throws {
        guard let refusal = store.takenBack.current.refusal(of: path) else { return }
        throw SlotFailure(.final, code: refusal.code, message: refusal.message)
    }
}
