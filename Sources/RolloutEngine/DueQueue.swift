/// Places by the time at which something is due there, soonest first: a binary heap.
///
/// Entries are not taken out when they lose their meaning; whoever looks at the first asks whether it still holds.
struct DueQueue: Sendable {
    struct Entry: Sendable, Comparable {
        let due: Int64
        let place: Int32

        static func < (left: Entry, right: Entry) -> Bool {
            left.due != right.due ? left.due < right.due : left.place < right.place
        }
    }

    private var entries: [Entry] = []

    var first: Entry? { entries.first }

    mutating func insert(_ place: Int, due: Int64) {
        entries.append(Entry(due: due, place: Int32(clamping: place)))
        var child = entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard entries[child] < entries[parent] else { return }
            entries.swapAt(child, parent)
            child = parent
        }
    }

    mutating func removeFirst() {
        guard let last = entries.popLast(), !entries.isEmpty else { return }
        entries[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < entries.count {
                if entries[child] < entries[least] { least = child }
            }
            guard least != parent else { return }
            entries.swapAt(parent, least)
            parent = least
        }
    }
}
