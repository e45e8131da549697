import type { Metadata } from '../store/index.ts'
import { numberOf } from '../replica/index.ts'
import type { NodeId } from '../raft/index.ts'
import { addressText, parseAddress, type Address } from '../remoting/index.ts'

export interface PeerAddress {
  readonly number: number
  readonly address: Address
}

/** Settings of the group: where a node that was added live listens, by its number. */
const PREFIX = 'group.peer.'
/** The NodeIds that were removed last of that number: they do not come back by themselves. */
const REMOVED_PREFIX = 'group.removed.'

export const addressSetting = (number: number): string => PREFIX + number
export const removedSetting = (number: number): string => REMOVED_PREFIX + number
export const isGroupSetting = (name: string): boolean => name.startsWith(PREFIX)

/**
 * Where the nodes listen: as the group was told when they were added live, else as this node's own configuration says, else
 * as it has heard of them while it knew neither.
 */
export class AddressBook {
  readonly #configured: Map<number, Address>
  readonly #heard = new Map<NodeId, Address>()
  /** The group's settings; undefined while the node is of none. */
  metadata: (() => Metadata) | undefined

  constructor (configured: readonly PeerAddress[]) {
    this.#configured = new Map(configured.map(({ number, address }) => [number, address]))
  }

  get configured (): ReadonlyMap<number, Address> { return this.#configured }

  /** What the configuration stands for has changed. */
  configure (number: number, address: Address): void { this.#configured.set(number, address) }

  /** The configuration or the group names the number: such a node may join. */
  names (number: number): boolean {
    return this.#configured.has(number) || this.#setting(number) !== undefined
  }

  isConfigured (number: number): boolean { return this.#configured.has(number) }

  of (nodeId: NodeId): Address | undefined {
    const number = numberOf(nodeId)
    return this.#setting(number) ?? this.#configured.get(number) ?? this.#heard.get(nodeId)
  }

  textOf (nodeId: NodeId): string {
    const address = this.of(nodeId)
    return address === undefined ? '' : addressText(address)
  }

  /** Nodes that others have said to be members. */
  heardOf (): NodeId[] { return [...this.#heard.keys()] }

  heard (nodeId: NodeId, text: string): void {
    const address = addressOf(text)
    if (address !== undefined) this.#heard.set(nodeId, address)
  }

  #setting (number: number): Address | undefined {
    const text = this.metadata?.().setting(addressSetting(number))
    return text === undefined ? undefined : addressOf(text)
  }
}

/** Undefined: it is no address. What other nodes say must not break this one. */
export function addressOf (text: string): Address | undefined {
  try {
    return parseAddress(text)
  } catch {
    return undefined
  }
}
