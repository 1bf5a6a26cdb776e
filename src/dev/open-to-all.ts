import { lstat, readdir, realpath, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

const OTHERS_READ = 0o004
const OTHERS_ENTER = 0o001

/** Whether every user may enter the folder, by all folders above it, and read all that is in it. */
export async function isOpenToAll(folder: string): Promise<boolean> {
  const real = await realpath(folder)
  for (const each of withParents(real)) {
    if (!has((await stat(each)).mode, OTHERS_ENTER)) return false
  }
  const names = await readdir(real, { recursive: true })
  const entries = await Promise.all(['', ...names].map((name) => lstat(join(real, name))))
  return entries.every(
    (entry) =>
      entry.isSymbolicLink() ||
      has(entry.mode, entry.isDirectory() ? OTHERS_READ | OTHERS_ENTER : OTHERS_READ),
  )
}

function withParents(path: string): string[] {
  const parent = dirname(path)
  return parent === path ? [path] : [path, ...withParents(parent)]
}

function has(mode: number, bits: number): boolean {
  return (mode & bits) === bits
}
