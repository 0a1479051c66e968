/** Sample data for an empty tenant. */
export function SampleData() {
  return null;
}
