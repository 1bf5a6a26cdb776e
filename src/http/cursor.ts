const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** A cursor is the id of the last row of a page, opaque to the caller. */
export function encodeCursor(id: string): string {
  return Buffer.from(id).toString('base64url')
}

/** The id, or null if the cursor is not one of ours. */
export function decodeCursor(cursor: string): string | null {
  const id = Buffer.from(cursor, 'base64url').toString('utf8')
  return UUID.test(id) ? id : null
}
