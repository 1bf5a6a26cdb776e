/** The hosts of one broker or cluster, each as a whole URL. */
export type AmqpUrls = readonly [string, ...string[]]

/** Host and port of a URL, without its password. */
export function hostOf(url: string): string {
  return new URL(url).host
}

/**
 * The order in which one connection tries the hosts, again and again. It is shuffled, so that many processes spread
 * over a cluster, and also those that lose the same host over the others.
 */
export function createHostRotation(urls: AmqpUrls, random: () => number): () => string {
  const order = urls.map((url) => ({ url, rank: random() })).toSorted((one, other) => one.rank - other.rank)
  let tried = 0
  return () => {
    const next = order[tried % order.length]
    tried += 1
    return next?.url ?? urls[0]
  }
}
