"""What can happen to a case: replies, operator actions, escalation, send gate, hand-over."""
