/** A node as it is configured. */
export interface RpcEndpoint {
  readonly url: string
  /** Who runs the node, as the operator names them; null: the host says it. */
  readonly label: string | null
}

/**
 * The names of the nodes in logs, metrics and evidence, in their order: the label, or host and port, with an ordinal
 * where a host is there more than once. What else a URL holds may be a key.
 */
export function nameEndpoints(endpoints: readonly RpcEndpoint[]): string[] {
  const timesSeen = new Map<string, number>()
  return endpoints.map(({ url, label }) => {
    if (label !== null) return label
    const { host } = new URL(url)
    const ordinal = (timesSeen.get(host) ?? 0) + 1
    timesSeen.set(host, ordinal)
    return ordinal === 1 ? host : `${host}#${ordinal}`
  })
}
