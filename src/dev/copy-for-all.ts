import { constants } from 'node:fs'
import { chmod, cp, lstat, mkdir, mkdtemp, readdir, readlink, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** A copy takes seconds: one that was begun longer ago was interrupted. */
const INTERRUPTED_AFTER_MS = 3_600_000
const UNFINISHED = 'unfinished-'
const WRITABLE_BY_OTHERS = 0o022

/**
 * Copies a folder of programs, once, to where every user may read and run them: `<cache>/<name>`. The name has their
 * version, so that a copy is never out of date. Copies of other names go away, unless a process runs from them.
 * Resolves with the path of the copy.
 */
export async function copyForAll(source: string, cache: string, name: string): Promise<string> {
  const copy = join(cache, name)
  await mkdir(dirname(cache), { recursive: true })
  await mkdir(cache, { recursive: true })
  await checkOwnership(cache)
  await chmod(cache, 0o755)
  if (await isThere(copy)) return copy
  await removeUnused(cache)
  const unfinished = await mkdtemp(join(cache, UNFINISHED))
  try {
    await cp(source, unfinished, {
      recursive: true,
      verbatimSymlinks: true,
      mode: constants.COPYFILE_FICLONE,
    })
    await openToAll(unfinished)
    await rename(unfinished, copy)
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true })
    // Another process was faster; its copy is as good.
    if (!(await isThere(copy))) throw error
  }
  return copy
}

/** What others may write to, they could replace by a program of their own. */
async function checkOwnership(cache: string): Promise<void> {
  const { uid, mode } = await lstat(cache)
  if (uid !== process.getuid?.() || (mode & WRITABLE_BY_OTHERS) !== 0) {
    throw new Error(`${cache} belongs to another user or others may write to it: remove it`)
  }
}

async function openToAll(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue
    const path = join(entry.parentPath, entry.name)
    const isProgram = entry.isDirectory() || entry.parentPath === join(folder, 'bin')
    await chmod(path, isProgram ? 0o755 : 0o644)
  }
  await chmod(folder, 0o755)
}

async function removeUnused(cache: string): Promise<void> {
  const running = await runningPrograms()
  for (const name of await readdir(cache)) {
    const path = join(cache, name)
    const isUsed = name.startsWith(UNFINISHED)
      ? Date.now() - (await stat(path)).mtimeMs < INTERRUPTED_AFTER_MS
      : running.some((program) => program.startsWith(`${path}/`))
    if (!isUsed) await rm(path, { recursive: true, force: true })
  }
}

/** The files that processes run, as far as the system tells. */
async function runningPrograms(): Promise<readonly string[]> {
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  return Promise.all(processes.map((pid) => readlink(`/proc/${pid}/exe`).catch(() => '')))
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
