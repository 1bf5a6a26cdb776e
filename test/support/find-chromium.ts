import { access, constants } from 'node:fs/promises'

/** A Chromium to test the page with, or null. */
export async function findChromium(): Promise<string | null> {
  const path = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
  return access(path, constants.X_OK).then(
    () => path,
    () => null,
  )
}
