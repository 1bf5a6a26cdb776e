const STEPS = [1, 2, 5, 10]

/**
 * The end of an axis that begins at 0: a round number, the greatest value or a little more. In the middle there is a
 * label where that is round as well.
 */
export function ceilingOf(greatest: number, areWhole: boolean): { ceiling: number; middle: number | null } {
  if (greatest <= 0) return { ceiling: 1, middle: null }
  const magnitude = 10 ** Math.floor(Math.log10(greatest))
  const step = STEPS.find((each) => each * magnitude >= greatest) ?? 10
  const ceiling = areWhole ? Math.max(1, Math.round(step * magnitude)) : step * magnitude
  const middle = ceiling / 2
  return { ceiling, middle: areWhole && !Number.isInteger(middle) ? null : middle }
}
