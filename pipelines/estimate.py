"""How long a task takes, from a rate that was measured."""

from __future__ import annotations

CLIPS_A_CORE_SECOND = 65.0  # 12 frames of 224x224, a busy core; see docs/scale.md
