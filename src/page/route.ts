import { useEffect, useState } from 'preact/hooks'

/**
 * Where we are: behind the `#`, so that the page works under any path prefix and its server needs no routes for it.
 */
export interface Route {
  readonly segments: readonly string[]
  readonly query: URLSearchParams
}

export function readRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#/, '').split('?')
  return {
    segments: path.split('/').filter(Boolean).map(decoded),
    query: new URLSearchParams(query),
  }
}

/** A link within the page; what is empty is left out of the query. */
export function linkTo(
  segments: readonly string[],
  query: Readonly<Record<string, string | null | undefined>> = {},
): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => Boolean(entry[1]))
  const path = `#/${segments.map(encodeURIComponent).join('/')}`
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`
}

export function goTo(link: string): void {
  location.hash = link
}

export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash)
  useEffect(() => {
    const changed = () => setHash(location.hash)
    addEventListener('hashchange', changed)
    return () => removeEventListener('hashchange', changed)
  }, [])
  return readRoute(hash)
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
