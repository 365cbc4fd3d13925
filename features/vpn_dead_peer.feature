@manual-page-42 @vpn
Feature: A dead VPN gateway is noticed
  While the tunnel is up the PBX probes its peer after each 30 seconds of silence. Here it does so more often, since the
  IKE daemon's own clock cannot jump.

  Background:
    Given an OXO Connect that Cloud Connect knows, which probes its VPN gateway after 1 second
    And the PBX was connected to the CCI

  Rule: A dead peer ends the tunnel, which is not set up again by itself

    Scenario: The dead peer is noticed
      Given a VPN connection was opened
      When the VPN gateway is dead
      Then the dead gateway is noticed and the tunnel is down
      And the history has "unexpected close"
      And nothing of the PBX goes to the VPN gateway for 2 minutes
