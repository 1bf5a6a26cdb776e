import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** Debian's own first: its package `python3-pika` is for that one, whatever else comes first on the PATH. */
const CANDIDATES = ['/usr/bin/python3', 'python3']

/** A Python that has pika, or null. */
export async function findPikaPython(): Promise<string | null> {
  for (const candidate of CANDIDATES) {
    const found = await promisify(execFile)(candidate, ['-c', 'import pika']).then(
      () => true,
      () => false,
    )
    if (found) return candidate
  }
  return null
}
