"""How the demo stream is made: script, voice, sound, picture, chat."""
